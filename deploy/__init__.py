"""What happens at deployment: the package that ships, the role it runs as, and the rehearsal of it all."""
