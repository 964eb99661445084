-- A change of a column's type to another family, and the columns whose type was a guess of ours.
ALTER TYPE mend.action ADD VALUE 'change_type';
