"""The chat side: words in, words out."""
