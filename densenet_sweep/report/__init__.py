"""The report of studies: pictures, and one HTML file that holds them."""
