"""Predicting: one picture and caption to the places they may show, by a trained model of a city."""
