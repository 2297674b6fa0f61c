module shop/load

go 1.21
