"""Django's own tests of its cache, run over the backends of quickcache.django."""
