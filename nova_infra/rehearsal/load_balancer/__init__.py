"""The load balancer: rules, target groups, and the proxy that obeys them."""
