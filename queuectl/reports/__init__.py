"""A report in the forms in which it is read: HTML, PDF, Markdown, CSV and JSON, in English and Chinese."""
