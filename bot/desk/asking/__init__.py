"""What a request becomes before it is a job.

* ``requests``     what a request asks for, with what its person always wants
* ``preferences``  the settings and presets of people
* ``recipes``      a request or an earlier job → a recipe
"""
