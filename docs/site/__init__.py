"""The site: pages written by hand, pages made from docstrings and committed results, all cards on one page offline."""
