"""Venice, with its catalogue, prices and deliveries."""
