"""The text of a post: its caption without what names people, and its hashtags."""
