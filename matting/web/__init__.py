"""A web page that mattes photographs: `python -m matting.web`; Gradio draws it, pip install '.[web]' brings that."""
