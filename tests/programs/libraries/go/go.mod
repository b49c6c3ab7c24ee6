module libraries

go 1.24
