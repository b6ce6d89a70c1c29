"""Evidence: scores, statistics, figures and the report page, from arrays and tables alone."""
