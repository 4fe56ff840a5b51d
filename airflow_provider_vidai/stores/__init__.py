"""Where purchases are recorded: a plug for each kind of storage, and the choice of one."""
