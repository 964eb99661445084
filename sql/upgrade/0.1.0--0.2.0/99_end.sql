-- What waited while the new library met the old objects.
SELECT mend.wake();
