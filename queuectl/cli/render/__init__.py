"""How things look: the only part that knows colours, widths and the shapes of JSON."""
