"""Where purchases are recorded: a module for each kind of storage, and the choice of one."""
