"""AIM-500 (Li, Zhang, Tao, IJCAI 2021): the 50 images that the documented split keeps for validation."""

_VALIDATION = """
    247d445d 0530e2e7 8431ecb9 76c7dc77 bab88684 fabaf6e3 bde965af e4a72c06 a974d3a3 e92f575c dc288b1a e30ce6cb
    7c642e86 57e4d780 52a2115b 33a4da38 77d7a529 2be0f6c9 0a5e5a64 b71d875b b4157744 0723d28f a3798f05 404618b5
    780f404a 8e2eb72f 7c88f64e 6e470e4a 819ee421 12c828bc b2dfc20d 80193d44 51873814 b40d228a 26268b4b 4729fa87
    fe6f4047 e92b90fc 23bbcc9d 197d7af1 868c53f0 7b1db264 4852f7d4 d2a1bff3 751bcc44 44dd34a4 1ea2b894 9992c618
    e62df10b dbef692f
"""
VALIDATION_STEMS = tuple(f"o_{name}" for name in _VALIDATION.split())
