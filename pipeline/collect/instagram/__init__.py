"""Posts of Instagram collected live: the door, the roads behind it, and what guards both."""
