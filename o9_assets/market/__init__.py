"""The market as others see it: sell-out of shops and drivers of demand, mapped to our items and regions. Pure: no
Dagster, no I/O; SQL over named views, and small functions around it."""
