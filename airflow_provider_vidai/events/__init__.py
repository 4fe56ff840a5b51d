"""What happens when a vendor calls: the waiting task is woken. Everything here can be deleted."""
