"""What stands for parts of a prompt: suggestions of the face slots, wildcards and alternatives.

* ``face``          suggestions for the face slots, and words that ask for any of them
* ``alternatives``  draws one of the alternatives of a prompt, by a picture's seed
"""
