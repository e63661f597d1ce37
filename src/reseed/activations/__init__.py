"""Activations: collected, stored, drawn in batches and preprocessed at read."""
