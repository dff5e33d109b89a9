//! What prometheus-operator does with monitors: select, validate, resolve assets, generate the configuration text. Pure.
