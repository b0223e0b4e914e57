"""The report: how well a trained model names the places of posts it has never seen, and how the data came about."""
