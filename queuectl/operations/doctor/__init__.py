"""The looks of ``queuectl doctor``, one file for each thing that is looked at; ``diagnosis`` lists them."""
