"""Compatible APIs of other clients: a script written for one of them changes only its imports."""
