"""Pictures without people: decoding, portrait masks, filling."""
