"""`headwater inspect`: what is in a stream, and what is wrong with it by the rules of its format.

An outside view: it sees files and HTTP answers only, of this origin or of any other.
"""
