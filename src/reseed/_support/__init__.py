"""What every part needs and none is about: files, numbers in words, documents, progress, threads, compiled products."""
