"""What tests share: raw servers on loopback, an object store, a task's surroundings."""
