-- PostgreSQL's indexes of events go by their number now, too. SQLite's end with the number of the row by themselves, which it is:
-- nothing is to be done here.
SELECT 1;
