# The class stays as Python has it; its code is compiled all the same.
