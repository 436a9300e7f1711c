"""What a person or a program can ask for: one verb, one function, over the store."""
