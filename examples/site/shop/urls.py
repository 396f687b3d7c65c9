"""Which page is where."""

from django.contrib.auth.views import LoginView, LogoutView
from django.urls import path

from shop import views

urlpatterns = [
    path("", views.front, name="front"),
    path("teas/<slug:category>/", views.category, name="category"),
    path("tea/<int:product_id>/", views.product, name="product"),
    path("tea/<int:product_id>/save/", views.save_product, name="save-product"),
    path("cart/", views.cart, name="cart"),
    path("order/", views.order, name="order"),
    path("sales/<slug:region>/", views.report, name="report"),
    path("login/", LoginView.as_view(template_name="shop/login.html"), name="login"),
    path("logout/", LogoutView.as_view(), name="logout"),
    path("cache/", views.cache, name="cache"),
    path("cache/counts/", views.cache_counts, name="cache-counts"),
]
