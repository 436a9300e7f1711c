"""Whatever arrives at one of the twelve parsers is taken or refused: made-up inputs by the hundred thousand show it."""
