"""``queuectl top``: a live screen on which tasks and queues are looked at and controlled."""
