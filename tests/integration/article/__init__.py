"""The article handler against real servers on the loopback interface and real files."""
