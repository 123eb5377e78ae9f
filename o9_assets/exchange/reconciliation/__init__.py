"""Whether numbers agree from the file that landed to what o9 holds and gives back, stage by stage."""
