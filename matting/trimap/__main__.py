"""`python -m matting.trimap`: writes the trimap that would be used, to look at and to correct."""
from matting.programs.trimaps import main

if __name__ == "__main__":
    main()
