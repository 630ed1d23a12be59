"""Faces of other clients, so that a script written for one of them changes only its imports."""
