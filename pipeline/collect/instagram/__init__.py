"""Posts of Instagram collected live: the client, the endpoints behind it, and what guards both."""
