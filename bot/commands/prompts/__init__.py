"""The parts of a prompt: suggestions of the face slots, wildcards, alternatives, and what cannot work.

* ``face``          suggestions for the face slots, and words that ask for any of them
* ``alternatives``  draws one of the alternatives of a prompt, by a picture's seed
* ``advice``        finds what cannot work in a prompt
"""
