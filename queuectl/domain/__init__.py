"""What a task is and how it may move: pure rules, no input or output, nothing from third parties."""
