"""The media work: measure footage, choose its best parts, then cut, crop, mix and encode them."""
