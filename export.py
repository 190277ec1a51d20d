"""`python export.py --ckpt_url CKPT`: the documented name of ms_impl.export."""
from ms_impl.export import main

if __name__ == "__main__":
    main()
