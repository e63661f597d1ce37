"""Does the verdict lie? Cases, studies and pair matrices whose truth is known, judged by the real code."""
