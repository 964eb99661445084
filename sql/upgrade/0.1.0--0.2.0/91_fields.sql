-- The numbers of columns, by mend.number_column(). Triggers of the last release call its library: theirs have been replaced by now.
UPDATE mend.fields SET column_name = column_name WHERE column_name IS NOT NULL;
