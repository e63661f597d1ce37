"""What runs: a study from its activations to its findings, the choice of learning rates, the demo, a reproduction."""
