"""What the pages share of Streamlit: the frame, caches, and the theme. The only part of the library that imports it."""
